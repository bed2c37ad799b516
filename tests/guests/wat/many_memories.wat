;; Misbehaves: has more memories than a step may have.
(module
  (memory (export "memory") 2)
  (memory 1)
  (memory 1)
  (memory 1)
  (memory 1)
  (memory 1)
  (memory 1)
  (memory 1)
  ;; Room for what the host hands over: taken once, never given back.
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get 3))))
  ;; The answer `done` with the body `1` and no compensation.
  (data (i32.const 64) "\00\00\00\00\60\00\00\00\01\00\00\00\00")
  (data (i32.const 96) "1")
  (func (export "saga:step/step@0.1.0#handle") (param i32) (result i32) (i32.const 64))
  (func (export "saga:step/step@0.1.0#compensate") (param i32) (result i32) (i32.const 64)))
