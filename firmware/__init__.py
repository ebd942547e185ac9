"""The appliance: two processes with a wall between them.

``firmware.match`` turns cameras into possible matches and has no network.
``firmware.link`` carries match events to the broker and never sees a face that matched nobody.
They share three leaf modules and nothing else: :mod:`firmware.wire`, :mod:`firmware.config` and :mod:`firmware.log`.
"""
