;; Misbehaves: calls the host while the host is handing it a message.
(module
  (import "wasi:logging/logging@0.1.0-draft" "log" (func $log (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $log (i32.const 0) (i32.const 96) (i32.const 1) (i32.const 96) (i32.const 1))
    (i32.const 4096))
  ;; The answer `done` with the body `1` and no compensation.
  (data (i32.const 64) "\00\00\00\00\60\00\00\00\01\00\00\00\00")
  (data (i32.const 96) "1")
  (func (export "saga:step/step@0.1.0#handle") (param i32) (result i32) (i32.const 64))
  (func (export "saga:step/step@0.1.0#compensate") (param i32) (result i32) (i32.const 64)))
