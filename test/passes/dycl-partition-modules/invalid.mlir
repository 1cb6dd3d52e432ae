// RUN: dycl-opt %s --dycl-partition-modules -verify-diagnostics

dycl.program @main() {
  %0:2 = dycl.invoke @region_0() : () -> (tensor<4xf32>, tensor<8xf32>)
  dycl.return
}
func.func private @region_0() -> (tensor<4xf32>, tensor<8xf32>) {
  // expected-note @+1 {{here it is 'tensor<4xf32>'}}
  %0 = dycl.parameter "w" : tensor<4xf32>
  // expected-error @+1 {{has type 'tensor<8xf32>'; the parameter has another type elsewhere}}
  %1 = dycl.parameter "w" : tensor<8xf32>
  return %0, %1 : tensor<4xf32>, tensor<8xf32>
}
