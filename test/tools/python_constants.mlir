// Constants of the host: a splat, an array, and one without elements.
// RUN: dycl-translate --dycl-to-python %s | FileCheck %s

// CHECK: C0 = np.full((2,), 1, dtype=np.int64)
// CHECK: C1 = np.array([1, 2], dtype=np.int32)
// CHECK: C2 = np.array([], dtype=np.float32).reshape(0, 3)
module @net {
  dycl.program @main() -> (tensor<2xi64>, tensor<2xi32>, tensor<0x3xf32>) {
    %0 = arith.constant dense<1> : tensor<2xi64>
    %1 = arith.constant dense<[1, 2]> : tensor<2xi32>
    %2 = arith.constant dense<> : tensor<0x3xf32>
    dycl.return %0, %1, %2 : tensor<2xi64>, tensor<2xi32>, tensor<0x3xf32>
  }
}
