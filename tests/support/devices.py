"""The devices that a test runs on: the CPU, and a GPU where there is one."""

import pytest
import torch

ON_A_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU"),
]
DEVICES = ["cpu", pytest.param("cuda", marks=ON_A_GPU)]
