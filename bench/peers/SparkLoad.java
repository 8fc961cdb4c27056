import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;

/**
 * What a user of Spark would write to load a topic: all that Kafka has now, as a Parquet table with the columns of ours.
 * Arguments: broker, topic, columns of the events as Spark's DDL, column of the event time, directory of the table,
 * directory of the checkpoint, settings of the Kafka consumer as KEY=VALUE,…, then those of Spark, each as KEY=VALUE.
 * Prints the seconds of the load without those of the start.
 */
public class SparkLoad {
  public static void main(String[] args) throws StreamingQueryException, TimeoutException {
    SparkSession.Builder builder = SparkSession.builder().appName("load");
    for (int i = 7; i < args.length; i++) {
      int split = args[i].indexOf('=');
      builder.config(args[i].substring(0, split), args[i].substring(split + 1));
    }
    SparkSession spark = builder.getOrCreate();
    long begun = System.nanoTime();
    Map<String, String> consumer = new HashMap<>();
    for (String setting : args[6].isEmpty() ? new String[0] : args[6].split(",")) {
      int split = setting.indexOf('=');
      consumer.put("kafka." + setting.substring(0, split), setting.substring(split + 1));
    }
    Dataset<Row> records =
        spark.readStream().format("kafka")
            .options(consumer)
            .option("kafka.bootstrap.servers", args[0])
            .option("kafka.isolation.level", "read_committed")
            .option("subscribe", args[1])
            .option("startingOffsets", "earliest")
            .option("includeHeaders", "true")
            .load();
    Dataset<Row> events =
        records
            .selectExpr(
                "partition AS _partition",
                "offset AS _offset",
                "timestamp AS _timestamp",
                "key AS _key",
                "headers AS _headers",
                "from_json(CAST(value AS STRING), '" + args[2] + "') AS event")
            .selectExpr(
                "_partition", "_offset", "_timestamp", "_key", "_headers", "event.*",
                "date_format(event." + args[3] + ", 'yyyy-MM-dd') AS dt",
                "date_format(event." + args[3] + ", 'HH') AS hour");
    StreamingQuery query =
        events.writeStream().format("parquet")
            .option("path", args[4])
            .option("checkpointLocation", args[5])
            .option("compression", "snappy")
            .partitionBy("dt", "hour")
            .trigger(Trigger.AvailableNow())
            .start();
    query.awaitTermination();
    System.out.println((System.nanoTime() - begun) / 1e9);
    spark.stop();
  }
}
