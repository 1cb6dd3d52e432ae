// Each rule of the verifiers, broken once.
// RUN: dycl-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{argument 1 is of type 'i64'; expected a ranked tensor}}
dycl.program @main(%x: tensor<4xf32>, %n: i64) {
  dycl.return
}

// -----

// expected-error @+1 {{result 0 is of type 'tensor<*xf32>'; expected a ranked tensor}}
dycl.program @main() -> tensor<*xf32> {
  %0 = ub.poison : tensor<*xf32>
  dycl.return %0 : tensor<*xf32>
}

// -----

// expected-error @+1 {{has no body; a host program is never only declared}}
dycl.program @main()

// -----

// expected-error @+1 {{argument 0 has unknown dycl attribute 'dycl.nam'}}
dycl.program @main(%x: tensor<4xf32> {dycl.nam = "x"}) {
  dycl.return
}

// -----

// expected-error @+1 {{argument 0: 'dycl.name' must be a string, is 3 : i64}}
dycl.program @main(%x: tensor<4xf32> {dycl.name = 3}) {
  dycl.return
}

// -----

// expected-note @+1 {{program is here}}
dycl.program @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // expected-error @+1 {{returns 1 values; the program has 2 results}}
  dycl.return %x : tensor<4xf32>
}

// -----

// expected-note @+1 {{program is here}}
dycl.program @main(%x: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{value 0 is of type 'tensor<4xf32>'; the program's result is of type 'tensor<8xf32>'}}
  dycl.return %x : tensor<4xf32>
}

// -----

dycl.program @main() {
  // expected-error @+1 {{calls @region_0, which is not defined}}
  dycl.invoke @region_0() : () -> ()
  dycl.return
}

// -----

dycl.program @main() {
  // expected-error @+1 {{calls @other, which is neither a dycl.region nor a func.func}}
  dycl.invoke @other() : () -> ()
  dycl.return
}
// expected-note @+1 {{defined here}}
module @other {}

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{is of type '(tensor<4xf32>) -> tensor<4xf32>'; region @region_0 is of type '(tensor<4xf32>) -> tensor<8xf32>'}}
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return
}
// expected-note @+1 {{region is here}}
dycl.region @region_0 : (tensor<4xf32>) -> tensor<8xf32>

// -----

// expected-error @+1 {{lists parameter "a" twice}}
dycl.region @region_0 : () -> () {parameters = ["a", "b", "a"]}

// -----

// expected-error @+1 {{names module @missing, which is not defined}}
dycl.region @region_0 : () -> () {module = @missing}

// -----

// expected-error @+1 {{has module @m, which defines no function @region_0}}
dycl.region @region_0 : () -> () {module = @m}
// expected-note @+1 {{module is here}}
module @m {}

// -----

// expected-error @+1 {{is of type '() -> ()'; its function is of type '() -> i1'}}
dycl.region @region_0 : () -> () {module = @m}
module @m {
  // expected-note @+1 {{function is here}}
  func.func private @region_0() -> i1
}

// -----

// expected-error @+1 {{has an empty key}}
%0 = dycl.parameter "" : tensor<4xf32>

// -----

// expected-error @+1 {{is of type 'tensor<?xf32>'; expected a static shape}}
%0 = dycl.parameter "a" : tensor<?xf32>

// -----

// expected-error @+1 {{flops is -1; expected at least 0}}
dycl.region @region_0 : () -> () {cost = #dycl.cost<flops = -1, bytes = 0>}

// -----

// expected-error @+1 {{bytes is -2; expected at least 0}}
dycl.region @region_0 : () -> () {cost = #dycl.cost<flops = 1, bytes = -2>}

// -----

// expected-error @+1 {{'dycl.cost' is a #dycl.cost on a func.func}}
func.func private @f() attributes {dycl.cost = 3}

// -----

// expected-error @+1 {{has unknown dycl attribute 'dycl.price'}}
func.func private @f() attributes {dycl.price = 3}

// -----

// expected-error @+1 {{'dycl.affinity' is the name of a device on a func.func}}
func.func private @f() attributes {dycl.affinity = 3}

// -----

// expected-error @+1 {{'dycl.affinity' is the name of a device on a func.func}}
func.func private @f() attributes {dycl.affinity = ""}

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{goes from "vulkan" to itself}}
  %0 = dycl.transfer %x from "vulkan" to "vulkan" : tensor<4xf32>
  dycl.return
}

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{names no device}}
  %0 = dycl.transfer %x from "vulkan" to "" : tensor<4xf32>
  dycl.return
}

// -----

func.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{is outside of a dycl.program; regions run on one device}}
  %0 = dycl.transfer %x from "llvm-cpu" to "vulkan" : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{failed to verify that all of {source, result} have same type}}
  %0 = "dycl.transfer"(%x) <{from = "llvm-cpu", to = "vulkan"}> : (tensor<4xf32>) -> tensor<8xf32>
  dycl.return
}
