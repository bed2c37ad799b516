module saga.step/saga

go 1.24
