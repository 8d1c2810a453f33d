//! Policy document to compiled policy to verdict and trace; pure and total.
