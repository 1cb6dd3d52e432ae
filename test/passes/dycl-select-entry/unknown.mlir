// RUN: dycl-opt %s --dycl-select-entry=entry=train -verify-diagnostics

// expected-error @+1 {{has no function @train with a body; it has @main, @helper}}
module {
  func.func @main(%x: f32) -> f32 {
    return %x : f32
  }
  func.func private @helper(%x: f32) -> f32 {
    return %x : f32
  }
}
