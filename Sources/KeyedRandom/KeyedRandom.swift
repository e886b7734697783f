// KeyedRandom
