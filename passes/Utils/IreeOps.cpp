//===- IreeOps.cpp - Operations of IREE, which MLIR does not know ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/IreeOps.h"

using namespace mlir;

Operation *dycl::createIreeOp(OpBuilder &builder, Location location, StringRef name, ValueRange operands,
                              TypeRange results, ArrayRef<NamedAttribute> properties, unsigned numRegions) {
  OperationState state(location, name, operands, results);
  if (!properties.empty())
    state.propertiesAttr = builder.getDictionaryAttr(properties);
  for (unsigned i = 0; i < numRegions; ++i)
    state.addRegion();
  return builder.create(state);
}
