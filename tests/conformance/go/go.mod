module conformance

go 1.24

require saga.step/saga v0.0.0

replace saga.step/saga => ../../../guest-sdk/go
