"""The audit log: who changed what, when and from where, written in the transaction of the change."""
