print("sasslctl")
