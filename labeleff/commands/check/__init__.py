"""Does a plug-in keep its contract: `labeleff check`. One kind of plug-in per file."""
