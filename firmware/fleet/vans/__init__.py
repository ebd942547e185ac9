"""What an admin says to vans and hears of them: releases, revocations, and who runs what."""
