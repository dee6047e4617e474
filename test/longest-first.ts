/** The order of test files: one that takes minutes and begins last keeps one core waiting for it. */
import path from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { root } from '../bin/build.js'
import { LONGEST } from './support/longest.ts'

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId, project }: TestSpecification): number => {
      const known = LONGEST.indexOf(path.relative(root, moduleId))
      if (known >= 0) return known
      return LONGEST.length + (project.name === 'int' ? 0 : 1)
    }
    // Sorting keeps the order of what is equal: the runner's own.
    return (await super.sort(files)).sort((left, right) => placeOf(left) - placeOf(right))
  }
}
