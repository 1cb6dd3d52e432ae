// Rules by name and by line, of which the last counts; what no rule names is at home, or where it costs least.
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=region_1=vulkan" | FileCheck %s --check-prefix=ONE
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=net.py:[34]=vulkan,region_0=llvm-cpu" \
// RUN:   | FileCheck %s --check-prefix=ONE
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=net.py:14=vulkan" | FileCheck %s --check-prefix=ONE
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan rules=region_*=vulkan" | FileCheck %s --check-prefix=ALL
// RUN: dycl-opt %s --dycl-place-regions="targets=vulkan,llvm-cpu rules=/home/me/net.py:3=llvm-cpu" \
// RUN:   | FileCheck %s --check-prefix=HOME
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan automatic" | FileCheck %s --check-prefix=AUTO
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan automatic rules=region_1=llvm-cpu" \
// RUN:   | FileCheck %s --check-prefix=NONE
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan automatic models=vulkan=1:1:100:5:30" \
// RUN:   | FileCheck %s --check-prefix=NONE
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan automatic models=vulkan=1000:100:6:5:1" \
// RUN:   | FileCheck %s --check-prefix=LATER
// RUN: dycl-opt %s --dycl-place-regions="targets=llvm-cpu,vulkan,cuda automatic" | FileCheck %s --check-prefix=THREE

// region_0 is small, region_1 worth a copy to the GPU and back, region_2 only if it is there already.
// ONE: home = "llvm-cpu"
// ONE: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// ONE: @region_1{{.*}}dycl.affinity = "vulkan"
// ONE: @region_2{{.*}}dycl.affinity = "llvm-cpu"

// ALL: @region_0{{.*}}dycl.affinity = "vulkan"
// ALL: @region_1{{.*}}dycl.affinity = "vulkan"
// ALL: @region_2{{.*}}dycl.affinity = "vulkan"

// HOME: home = "vulkan"
// HOME: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// HOME: @region_1{{.*}}dycl.affinity = "vulkan"

// AUTO: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// AUTO: @region_1{{.*}}dycl.affinity = "vulkan"
// AUTO: @region_2{{.*}}dycl.affinity = "llvm-cpu"

// NONE: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// NONE: @region_1{{.*}}dycl.affinity = "llvm-cpu"
// NONE: @region_2{{.*}}dycl.affinity = "llvm-cpu"

// LATER: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// LATER: @region_1{{.*}}dycl.affinity = "vulkan"
// LATER: @region_2{{.*}}dycl.affinity = "vulkan"

// THREE: @region_0{{.*}}dycl.affinity = "llvm-cpu"
// THREE: @region_1{{.*}}dycl.affinity = "cuda"
// THREE: @region_2{{.*}}dycl.affinity = "llvm-cpu"
dycl.program @main(%x: tensor<64xf32>) -> tensor<8xf32> {
  %0:2 = dycl.invoke @region_0(%x) : (tensor<64xf32>) -> (tensor<64xf32>, i1)
  %1 = scf.if %0#1 -> (tensor<8xf32>) {
    %2 = dycl.invoke @region_1(%0#0) : (tensor<64xf32>) -> tensor<8xf32>
    %3 = dycl.invoke @region_2(%2) : (tensor<8xf32>) -> tensor<8xf32>
    scf.yield %3 : tensor<8xf32>
  } else {
    %2 = arith.constant dense<0.0> : tensor<8xf32>
    scf.yield %2 : tensor<8xf32>
  }
  dycl.return %1 : tensor<8xf32>
}
func.func private @region_0(tensor<64xf32>) -> (tensor<64xf32>, i1)
    attributes {dycl.cost = #dycl.cost<flops = 640, bytes = 513>} loc("/home/me/net.py":3:1)
func.func private @region_1(tensor<64xf32>) -> tensor<8xf32>
    attributes {dycl.cost = #dycl.cost<flops = 50000000, bytes = 288>} loc(fused["/home/me/net.py":4:1, "/home/me/net.py":14:1])
func.func private @region_2(tensor<8xf32>) -> tensor<8xf32>
    attributes {dycl.cost = #dycl.cost<flops = 640000, bytes = 64>} loc("/home/me/net.py":5:1)
