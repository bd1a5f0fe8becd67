"""The load: a process of its own, whose people talk in rooms and write down what they hear."""
