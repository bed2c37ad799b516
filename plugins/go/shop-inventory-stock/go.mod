// A project as `saga new` writes it, but with the SDK of the tree.
module shop-inventory-stock

go 1.24

require saga.step/saga v0.0.0

replace saga.step/saga => ../../../guest-sdk/go
