"""Order and expected duration of jobs. Plans without tensors; `execution` carries them out."""
