//===- DyclDialect.td - The dycl dialect --------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DYCL_DIALECT
#define DYCL_DIALECT

include "mlir/IR/OpBase.td"

def Dycl_Dialect : Dialect {
  let name = "dycl";
  let cppNamespace = "::dycl";
  let summary = "Dynamic neural networks: a host program that calls compiled regions";
  let description = [{
    A dynamic network is a *host program* (`dycl.program`), which holds the control flow as `scf` ops over
    `dycl.invoke`, and *regions*, the control-flow-free pieces in between, each compiled on its own. The host program
    together with its regions is the heterogeneous control flow graph (HCFG) of the network.

    Before the phase `partition` a region is a private `func.func`; after it, it is a `dycl.region`, which names the
    module that holds the code, the target, the parameters and the cost.

    ```mlir
    dycl.program @main(%x: tensor<1x8xf32> {dycl.name = "x"}) -> tensor<1x2xf32> {
      %0:2 = dycl.invoke @region_0(%x) : (tensor<1x8xf32>) -> (tensor<1x4xf32>, i1)
      %1 = scf.if %0#1 -> (tensor<1x2xf32>) {
        %2 = dycl.invoke @region_1(%0#0) : (tensor<1x4xf32>) -> tensor<1x2xf32>
        scf.yield %2 : tensor<1x2xf32>
      } else {
        %2 = dycl.invoke @region_2(%0#0) : (tensor<1x4xf32>) -> tensor<1x2xf32>
        scf.yield %2 : tensor<1x2xf32>
      }
      dycl.return %1 : tensor<1x2xf32>
    }
    ```

    Attributes of this dialect on functions and arguments:

    - `dycl.name` (string) on an argument of the entry: what the user calls it;
    - `dycl.cost` (`#dycl.cost`) on a region while it is a `func.func`;
    - `dycl.affinity` (string) on such a region: the device that it runs on.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
}

#endif // DYCL_DIALECT
