// The only public function with a body is the program; a name chooses one of several.
// RUN: dycl-opt %s --dycl-select-entry -split-input-file | FileCheck %s

// CHECK-LABEL: func.func private @scale
// CHECK: func.func @main(%{{.*}}: tensor<4xf32>, %{{.*}}: f32)
// CHECK: call @scale
func.func private @scale(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @forward(%x: tensor<4xf32>, %s: f32) -> tensor<4xf32> {
  %0 = call @scale(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// @main is the program whatever else is public.
// CHECK-LABEL: func.func @main(%{{.*}}: i64)
// CHECK: func.func private @other(%{{.*}}: f32)
func.func @main(%n: i64) -> i64 {
  return %n : i64
}
func.func @other(%x: f32) -> f32 {
  return %x : f32
}
