// REQUIRES: iree-compile
// IREE takes what the pipeline makes of each region: parameters in generic form, a predicate as i1, a tm_tensor op.
// Attributes stand where they are used, since a module is cut out of the text.
// RUN: dycl-opt %s --dycl-pipeline --mlir-print-local-scope -o %t.mlir
// RUN: %python %S/Inputs/select_module.py %t.mlir region_0_module > %t.0.mlir
// RUN: iree-compile %t.0.mlir --iree-hal-target-device=local --iree-hal-local-target-device-backends=llvm-cpu --iree-llvmcpu-target-cpu=generic -o %t.0.vmfb
// RUN: %python %S/Inputs/select_module.py %t.mlir region_1_module > %t.1.mlir
// RUN: iree-compile %t.1.mlir --iree-hal-target-device=local --iree-hal-local-target-device-backends=llvm-cpu --iree-llvmcpu-target-cpu=generic -o %t.1.vmfb
// RUN: iree-run-module --device=local-sync --module=%t.1.vmfb --function=region_1 --input=4xf32=1,2,3,4 | FileCheck %s

// CHECK: 4xf32=1 3 6 10
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = "dycl.parameter"() <{key = "layer.weight"}> : () -> tensor<4xf32>
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %e = tensor.extract %0[%c2] : tensor<4xf32>
  %p = arith.cmpf ogt, %e, %zero : f32
  %1 = scf.if %p -> (tensor<4xf32>) {
    %2 = arith.constant dense<0.0> : tensor<4xf32>
    %3 = arith.constant dense<0.0> : tensor<f32>
    %4:2 = "tm_tensor.scan"(%x, %2, %3) <{dimension = 0 : i64, inclusive = true, operandSegmentSizes = array<i32: 1, 2>}> ({
    ^bb0(%a: f32, %b: f32):
      %5 = arith.addf %a, %b : f32
      "tm_tensor.yield"(%5) : (f32) -> ()
    }) : (tensor<4xf32>, tensor<4xf32>, tensor<f32>) -> (tensor<4xf32>, tensor<f32>)
    scf.yield %4#0 : tensor<4xf32>
  } else {
    scf.yield %0 : tensor<4xf32>
  }
  return %1 : tensor<4xf32>
}
