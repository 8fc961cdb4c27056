import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;

/**
 * The side of spark-session.ts inside Spark: one session that takes requests from standard input, a line each, a verb and
 * its arguments in base64, and answers each by one line, "millrace ok TEXT" or "millrace error TEXT". It ends with its input.
 */
public class SparkAggregates {
  private final SparkSession spark;

  private SparkAggregates(SparkSession spark) {
    this.spark = spark;
  }

  public static void main(String[] args) throws Exception {
    // Whatever else prints must not get between the answers.
    PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    SparkSession spark = SparkSession.builder().getOrCreate();
    SparkAggregates engine = new SparkAggregates(spark);
    answers.println("millrace ok " + encode(spark.version()));
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] words = line.split(" ");
      String[] arguments = Arrays.stream(words).skip(1).map(SparkAggregates::decode).toArray(String[]::new);
      try {
        answers.println("millrace ok " + encode(engine.answer(words[0], arguments)));
      } catch (Exception | LinkageError error) {
        answers.println("millrace error " + encode(String.valueOf(error)));
      }
    }
    spark.stop();
  }

  private String answer(String verb, String[] arguments) {
    switch (verb) {
      case "sql":
        spark.sql(arguments[0]);
        return "";
      case "read":
        return read(arguments[0], Arrays.copyOfRange(arguments, 1, arguments.length));
      case "schema":
        return spark.sql(arguments[0]).schema().json();
      case "write":
        write(arguments[0], arguments[1], Arrays.copyOfRange(arguments, 2, arguments.length));
        return "";
      default:
        throw new IllegalArgumentException("there is no request " + verb);
    }
  }

  /** Makes a view of exactly these files, columns found by name, and says which there are. A missing file is an error. */
  private String read(String view, String[] files) {
    Dataset<Row> rows = spark.read().option("mergeSchema", "true").parquet(files);
    rows.createOrReplaceTempView(view);
    return String.join("\n", rows.columns());
  }

  /** Writes rows as Parquet: with columns to sort by, one file for each value of the first, in a directory of its own. */
  private void write(String directory, String select, String[] sorted) {
    Dataset<Row> rows = spark.sql(select);
    if (sorted.length == 0) {
      rows.coalesce(1).write().option("compression", "snappy").parquet(directory);
      return;
    }
    Column[] columns = Arrays.stream(sorted).map(name -> rows.col("`" + name.replace("`", "``") + "`")).toArray(Column[]::new);
    rows.repartition(functions.col(sorted[0])).sortWithinPartitions(columns).write()
        .option("compression", "snappy").partitionBy(sorted[0]).parquet(directory);
  }

  private static String encode(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String decode(String word) {
    return new String(Base64.getDecoder().decode(word), StandardCharsets.UTF_8);
  }
}
