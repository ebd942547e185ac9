"""Updates over the air: the device agent and the fleet admin's side.

Nothing is here yet: until the channel exists, the watchlist is a local folder of portraits and models are fetched by
``./flash.sh setup``. Nothing in the appliance pretends otherwise.
"""
