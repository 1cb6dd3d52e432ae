// RUN: dycl-opt %s --dycl-inline-calls -split-input-file -verify-diagnostics

// expected-error @+1 {{has no function @main to inline into}}
module {}

// -----

func.func @main() {
  // expected-error @+1 {{calls @other, which has no body of one block}}
  func.call @other() : () -> ()
  return
}
func.func private @other()

// -----

func.func @main() {
  func.call @other() : () -> ()
  return
}
func.func private @other() {
  // expected-error @+1 {{calls @main, which is recursive}}
  func.call @main() : () -> ()
  return
}
