// No program, or several.
// RUN: dycl-opt %s --dycl-select-entry -split-input-file -verify-diagnostics

// expected-error @+1 {{has no public function with a body; expected one, which is the program}}
module {
  func.func private @helper(%x: f32) -> f32 {
    return %x : f32
  }
}

// -----

// expected-note @+1 {{another one}}
func.func @encode(%x: f32) -> f32 {
  return %x : f32
}
// expected-error @+1 {{is one of several public functions, of which none is @main: @encode, @decode; expected the name of the program's function as entry}}
func.func @decode(%x: f32) -> f32 {
  return %x : f32
}
