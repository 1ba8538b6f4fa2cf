namespace KeyService.Server.Evidence;

/// <summary>A line of RFC 4180 that a spreadsheet takes for text as well.</summary>
internal static class CsvLine
{
    /// <summary>
    /// The fields of a line, without its end. Some of them were chosen by whoever is reported on: none begins as a formula does, where a spreadsheet
    /// opens the file; an apostrophe stands before it.
    /// </summary>
    public static string Of(params IEnumerable<string> fields) => string.Join(',', fields
        .Select(field => field.Length > 0 && "=+-@\t\r".Contains(field[0], StringComparison.Ordinal) ? $"'{field}" : field)
        .Select(field => field.AsSpan().ContainsAny("\",\r\n") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field));
}
