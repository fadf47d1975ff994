"""The voter's screen as web pages: made on the server, one browser on the same machine.

In: a `firmware_sim.dre.Station`. Out: pages for keyboard, touch and screen reader, in three
languages, three sizes and two contrasts (SEED-24). Nothing is fetched from elsewhere, no
page is kept, no vote stands in an address or a log. Doors: `app.screen_app`, `command.add`.
"""
