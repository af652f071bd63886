//! Downloads wheels into the store: in parallel, resumed when cut, verified before they count.
