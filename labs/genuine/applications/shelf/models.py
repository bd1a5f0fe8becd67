"""Books, and the bindings that send their changes to readers."""

from channels.binding.websockets import WebsocketBinding, WebsocketBindingWithMembers
from django.db import models


class Book(models.Model):
    """A book on a shelf."""

    id = models.AutoField(primary_key=True)
    title = models.CharField(max_length=200)
    shelf = models.SlugField(default="new")
    price = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    note = models.TextField(default="")

    def __str__(self):
        return self.title

    @property
    def is_cheap(self):
        """Whether the price is below 10."""
        return self.price < 10

    def label(self):
        """What stands on the back."""
        return f"{self.shelf}: {self.title}"


class BookBinding(WebsocketBinding):
    """Readers of a shelf see its books. All change them, but only users delete one."""

    model = Book
    stream = "books"
    fields = ["title", "shelf", "price"]

    @classmethod
    def group_names(cls, instance):
        """The readers of the shelf that is saved."""
        return [f"books-{instance.shelf}"]

    def has_permission(self, user, action, pk):
        """Strangers cannot delete."""
        return user.is_authenticated or action != "delete"


class MoveBinding(WebsocketBindingWithMembers):
    """Readers see a book leave one shelf and come to another. They cannot change it."""

    model = "shelf.Book"
    stream = "moves"
    exclude = ["note", "price"]
    send_members = ["is_cheap", "label", "title.upper", "_meta.model_name"]
    strict_ordering = True

    @classmethod
    def group_names(cls, instance):
        """The readers of the shelf in the database."""
        shelves = Book.objects.filter(pk=instance.pk).values_list("shelf", flat=True)
        return [f"moves-{shelf}" for shelf in shelves]

    def has_permission(self, user, action, pk):
        """Nobody may."""
        return False
