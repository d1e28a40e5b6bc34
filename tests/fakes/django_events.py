"""The tracker of a site, where its settings look for it."""

from aiotracker import Tracker, hosted

events = hosted(Tracker("named", "https://c.acme.com"))
