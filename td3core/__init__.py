"""TD3: Tucker-factorised dataset distillation for sequential recommendation, as a plain PyTorch library."""
