"""`labeleff bench`: how fast the library's own trainer, pretext and protocols are on this machine."""
