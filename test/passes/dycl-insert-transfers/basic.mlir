// The example of the pass's description, and what straight-line programs need.
// RUN: dycl-opt %s -split-input-file --dycl-insert-transfers --dycl-verify-placement | FileCheck %s

// CHECK-LABEL: dycl.program @main(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>
// CHECK-NEXT: %[[A:.+]] = dycl.invoke @region_0(%[[X]])
// CHECK-NEXT: %[[B:.+]] = dycl.transfer %[[A]] from "llvm-cpu" to "vulkan" : tensor<4xf32>
// CHECK-NEXT: %[[C:.+]] = dycl.invoke @region_1(%[[B]])
// CHECK-NEXT: %[[D:.+]] = dycl.transfer %[[C]] from "vulkan" to "llvm-cpu" : tensor<4xf32>
// CHECK-NEXT: dycl.return %[[D]]
dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = dycl.invoke @region_1(%0) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %1 : tensor<4xf32>
}
func.func private @region_0(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "llvm-cpu"}
func.func private @region_1(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}

// -----

// A program without a home stays as it is.
// CHECK-LABEL: dycl.program @one_device(
// CHECK-NOT: transfer
dycl.program @one_device(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %0 : tensor<4xf32>
}
func.func private @region_0(tensor<4xf32>) -> tensor<4xf32>

// -----

// A tensor is copied once to each device that needs it; scalars and results that stay on their device are not. From one
// device that is not the home to another it goes directly.
// CHECK-LABEL: dycl.program @once(
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<8xf32>
// CHECK-NEXT: %[[YV:.+]] = dycl.transfer %[[Y]] from "llvm-cpu" to "vulkan" : tensor<8xf32>
// CHECK-NEXT: %[[A:.+]]:2 = dycl.invoke @region_0(%[[YV]])
// CHECK-NEXT: %[[B:.+]] = dycl.invoke @region_1(%[[A]]#0, %[[YV]], %[[A]]#1)
// CHECK-NEXT: %[[YC:.+]] = dycl.transfer %[[Y]] from "llvm-cpu" to "cuda" : tensor<8xf32>
// CHECK-NEXT: %[[AC:.+]] = dycl.transfer %[[A]]#0 from "vulkan" to "cuda" : tensor<4xf32>
// CHECK-NEXT: %[[C:.+]] = dycl.invoke @region_2(%[[AC]], %[[YC]], %[[A]]#1)
// CHECK-NEXT: %[[CC:.+]] = dycl.transfer %[[C]] from "cuda" to "llvm-cpu" : tensor<4xf32>
// CHECK-NEXT: dycl.return %[[X]], %[[CC]]
dycl.program @once(%x: tensor<4xf32>, %y: tensor<8xf32>) -> (tensor<4xf32>, tensor<4xf32>) attributes {home = "llvm-cpu"} {
  %0:2 = dycl.invoke @region_0(%y) : (tensor<8xf32>) -> (tensor<4xf32>, i64)
  %1 = dycl.invoke @region_1(%0#0, %y, %0#1) : (tensor<4xf32>, tensor<8xf32>, i64) -> tensor<4xf32>
  %2 = dycl.invoke @region_2(%0#0, %y, %0#1) : (tensor<4xf32>, tensor<8xf32>, i64) -> tensor<4xf32>
  dycl.return %x, %2 : tensor<4xf32>, tensor<4xf32>
}
func.func private @region_0(tensor<8xf32>) -> (tensor<4xf32>, i64) attributes {dycl.affinity = "vulkan"}
func.func private @region_1(tensor<4xf32>, tensor<8xf32>, i64) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}
func.func private @region_2(tensor<4xf32>, tensor<8xf32>, i64) -> tensor<4xf32> attributes {dycl.affinity = "cuda"}

// -----

// Each device has its own of a constant; poison lies nowhere; a cast only renames.
// CHECK-LABEL: dycl.program @constants(
// CHECK: %[[C:.+]] = arith.constant dense<7> : tensor<i64>
// CHECK: %[[P:.+]] = ub.poison : tensor<4xf32>
// CHECK: %[[CV:.+]] = dycl.transfer %[[C]] from "llvm-cpu" to "vulkan" : tensor<i64>
// CHECK: %[[A:.+]] = dycl.invoke @region_0(%[[CV]], %[[P]])
// CHECK-NEXT: %[[B:.+]] = tensor.cast %[[A]]
// CHECK-NEXT: dycl.invoke @region_1(%[[B]])
// CHECK-NEXT: dycl.return %[[C]]
dycl.program @constants() -> tensor<i64> attributes {home = "llvm-cpu"} {
  %c = arith.constant dense<7> : tensor<i64>
  %p = ub.poison : tensor<4xf32>
  %0 = dycl.invoke @region_0(%c, %p) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %1 = tensor.cast %0 : tensor<4xf32> to tensor<?xf32>
  dycl.invoke @region_1(%1) : (tensor<?xf32>) -> ()
  dycl.return %c : tensor<i64>
}
func.func private @region_0(tensor<i64>, tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}
func.func private @region_1(tensor<?xf32>) attributes {dycl.affinity = "vulkan"}
