//===- Locations.cpp - Where IR comes from in the user's source -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Locations.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

FileLineColLoc dycl::findUserLine(Location location) {
  if (auto line = dyn_cast<FileLineColLoc>(location))
    return line;
  if (auto range = dyn_cast<FileLineColRange>(location))
    return FileLineColLoc::get(range.getFilename(), range.getStartLine(), range.getStartColumn());
  if (auto named = dyn_cast<NameLoc>(location))
    return findUserLine(named.getChildLoc());
  if (auto call = dyn_cast<CallSiteLoc>(location)) {
    if (FileLineColLoc line = findUserLine(call.getCallee()))
      return line;
    return findUserLine(call.getCaller());
  }
  if (auto opaque = dyn_cast<OpaqueLoc>(location))
    return findUserLine(opaque.getFallbackLocation());
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (FileLineColLoc line = findUserLine(part))
        return line;
  return {};
}

SmallVector<FileLineColLoc> dycl::findUserLines(Location location) {
  SmallVector<FileLineColLoc> lines;
  if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location part : fused.getLocations())
      llvm::append_range(lines, findUserLines(part));
  } else if (FileLineColLoc line = findUserLine(location)) {
    lines.push_back(line);
  }
  return lines;
}

Location dycl::fuseUserLines(ArrayRef<Operation *> ops, Location fallback) {
  llvm::SmallSetVector<Location, 8> lines;
  for (Operation *op : ops)
    if (FileLineColLoc line = findUserLine(op->getLoc()))
      lines.insert(line);
  if (lines.empty())
    return fallback;
  return FusedLoc::get(fallback.getContext(), lines.getArrayRef());
}
