print("sassld")
