// StyleTransfer
