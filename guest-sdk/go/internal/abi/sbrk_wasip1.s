// Tells the compiler that functions without a body may be found elsewhere.
