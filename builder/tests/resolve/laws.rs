//! Laws of the resolver, against a search that tries everything.
