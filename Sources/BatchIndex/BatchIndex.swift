// BatchIndex
