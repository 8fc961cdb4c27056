/**
 * The part of parquetjs-lite that tests and benchmarks use; the package has no types of its own. It knows no null: what is
 * null is left out of a row.
 */
declare module 'parquetjs-lite' {
  type Row = Record<string, unknown>;
  interface Cursor {
    /** The next row; null after the last. */
    next(): Promise<Row | null>;
  }
  interface Field {
    primitiveType?: string;
    originalType?: string;
  }
  class ParquetReader {
    static openFile(path: string): Promise<ParquetReader>;
    readonly schema: { fields: Record<string, Field> };
    getCursor(): Cursor;
    close(): Promise<void>;
  }
  const parquet: { ParquetReader: typeof ParquetReader };
  export default parquet;
}
