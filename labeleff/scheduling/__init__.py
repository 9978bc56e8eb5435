"""What to do next, and how long it will take. Plans without tensors; doing them belongs in `execution`."""
