// BatchRing
