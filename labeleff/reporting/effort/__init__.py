"""What arms take beside labels: time, images, selections, tuning."""
