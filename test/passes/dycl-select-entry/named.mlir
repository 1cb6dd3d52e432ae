// Another @main gets a new name, also where it is called.
// RUN: dycl-opt %s --dycl-select-entry=entry=decode | FileCheck %s

// CHECK: func.func private @[[OTHER:main_.*]](%{{.*}}: f32)
// CHECK: func.func @main(%{{.*}}: f64, %[[X:.*]]: f32)
// CHECK: call @[[OTHER]](%[[X]])
func.func @main(%x: f32) -> f32 {
  return %x : f32
}
func.func @decode(%y: f64, %x: f32) -> f32 {
  %0 = call @main(%x) : (f32) -> f32
  return %0 : f32
}
