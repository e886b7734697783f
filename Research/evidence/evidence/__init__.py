"""What style augmentation does to representations: pretrains on `sassld` streams, probes, compares and reports."""
