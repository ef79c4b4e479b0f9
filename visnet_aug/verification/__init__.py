"""Does a finished build still say the truth?"""
