//! Where each member of a wheel lands in site-packages (binary distribution format, "Installing a wheel").
