@requirements({})
def trivial():
    return 1
