"""Tables of a study: own patients, parameters, doses, frozen populations; reading, packing and writing them."""
