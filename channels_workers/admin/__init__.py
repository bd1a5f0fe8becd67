"""Pages in Django's admin: the state of the channel layers, live, and their dead letters.

The app registers them with the default site of ``django.contrib.admin``, if that is installed.
:func:`channels_workers.admin.sites.register` does so with another site. The routing
``channels_workers.admin.routing.channel_routing`` serves the socket that keeps the page live.
Without the admin nothing here is imported, except by that routing.
"""
