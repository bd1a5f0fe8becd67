"""The Django project under load: rooms, and consumers that write down what they consume."""
